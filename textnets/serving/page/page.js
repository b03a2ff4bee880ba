"use strict";
// The page asks /model what is served, and /predict for answers. Everything that comes from there
// is put in place as text, never as HTML.

const byId = (id) => document.getElementById(id);
const SHOWN_LABELS = 8;
let model = null;
let running = null; // what can stop the request that is being answered

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const percent = (value) => `${(value * 100).toFixed(1)} %`;

// A translator's tokens say where they touched; a person need not see it.
const withoutJoiner = (token) => token.replaceAll("￭", "");

// --- Bars ---

function bars(pairs, chosen) {
  const list = element("ol", "bars");
  for (const [name, value] of pairs) {
    const row = element("li", chosen.includes(name) ? "chosen" : "");
    const named = element("span", "name");
    for (const part of visible(name).split(/(?<=[_.\/-])/)) {
      named.append(part, document.createElement("wbr")); // long names break there
    }
    row.append(named);
    const track = element("span", "track");
    track.setAttribute("aria-hidden", "true");
    const fill = element("span", "fill");
    fill.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
    track.append(fill);
    row.append(track, element("span", "value", percent(value)));
    list.append(row);
  }
  return list;
}

// White space of a token can be seen.
function visible(text) {
  return text.replace(/ /g, "␣").replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/(.)␣(?=.)/g, "$1 ");
}

function showClasses(result, answer) {
  const chosen = answer.labels || [answer.label];
  const pairs = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  result.append(element("h2", "", chosen.length ? chosen.join(", ") : "no label"));
  result.append(bars(pairs.slice(0, SHOWN_LABELS), chosen));
  if (pairs.length > SHOWN_LABELS) {
    const more = element("button", "plain", `Show all ${pairs.length}`);
    more.type = "button";
    more.addEventListener("click", () => more.replaceWith(bars(pairs.slice(SHOWN_LABELS), chosen)));
    result.append(more);
  }
}

// --- Tags ---

function hueOf(tag) {
  const name = tag.replace(/^[BIESLUM]-/, ""); // the parts of a span have one color
  let hash = 7;
  for (const sign of name) hash = (hash * 31 + sign.codePointAt(0)) % 997;
  return (hash * 137) % 360;
}

function showTags(result, answer) {
  const words = element("div", "words");
  answer.tokens.forEach((token, index) => {
    const tag = answer.tags[index];
    const word = element("span", tag === "O" ? "word outside" : "word");
    word.style.setProperty("--hue", hueOf(tag));
    word.title = percent(answer.probabilities[index]);
    word.append(element("span", "", token), element("span", "tag", tag));
    words.append(word);
  });
  result.append(words);
  if (!answer.tokens.length) result.append(element("p", "muted", "There is no word in it."));
}

// --- Translations ---

function showTranslation(result, answer) {
  result.append(element("p", "translation", answer.translation || "(nothing)"));
  if (answer.others) {
    result.append(element("h2", "", "Others"));
    const list = element("ol");
    for (const other of answer.others) {
      const item = element("li", "", `${other.translation} `);
      item.append(element("span", "muted", `(${other.score.toFixed(3)})`));
      list.append(item);
    }
    result.append(list);
  }
  if (answer.attention && answer.source_tokens) result.append(...heatMap(answer));
}

function heatMap(answer) {
  const table = element("table", "heat");
  table.append(element("caption", "hidden", "Where each word of the translation looks"));
  const head = element("tr");
  head.append(element("td"));
  for (const token of answer.source_tokens) {
    const cell = element("th", "", withoutJoiner(token));
    cell.scope = "col";
    head.append(cell);
  }
  const top = element("thead");
  top.append(head);
  const body = element("tbody");
  answer.tokens.forEach((token, row) => {
    const line = element("tr");
    const name = element("th", "", withoutJoiner(token));
    name.scope = "row";
    line.append(name);
    for (const weight of answer.attention[row]) {
      const cell = element("td");
      cell.style.setProperty("--weight", weight);
      cell.title = percent(weight);
      cell.append(element("span", "hidden", percent(weight)));
      line.append(cell);
    }
    body.append(line);
  });
  table.append(top, body);
  const scroll = element("div", "scroll");
  scroll.tabIndex = 0; // so that the arrow keys scroll it
  scroll.append(table);
  return [element("h2", "", "Attention"), scroll];
}

// --- Writing ---

class Writing {
  constructor(result, prompt) {
    this.text = prompt;
    this.tokens = [];
    this.choices = [];
    this.written = element("p", "written");
    this.written.tabIndex = 0;
    this.written.setAttribute("aria-label", "Written text; the arrow keys go from token to token");
    this.written.append(element("span", "prompt", prompt));
    this.beside = element("div");
    this.beside.setAttribute("aria-live", "off");
    const grid = element("div", "writing");
    grid.append(this.written, this.beside);
    result.append(grid);
    this.written.addEventListener("keydown", (event) => this.onKey(event));
  }

  add(choice) {
    const isLonger = choice.continued.startsWith(this.text);
    const piece = isLonger ? choice.continued.slice(this.text.length) : choice.token;
    this.text = isLonger ? choice.continued : this.text + piece;
    const span = element("span", "token", piece);
    const index = this.tokens.length;
    span.addEventListener("click", () => this.show(index));
    this.tokens.push(span);
    this.choices.push(choice);
    this.written.append(span);
    this.show(index);
  }

  show(index) {
    if (index < 0 || index >= this.tokens.length) return;
    this.shown = index;
    for (const span of this.written.querySelectorAll(".shown")) span.classList.remove("shown");
    this.tokens[index].classList.add("shown");
    const choice = this.choices[index];
    const pairs = [...choice.alternatives];
    if (!pairs.some(([token]) => token === choice.token)) {
      pairs.push([choice.token, choice.probability]);
    }
    this.beside.replaceChildren(
      element("h2", "", `Token ${index + 1}: the likeliest`),
      bars(pairs, [choice.token]),
    );
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.beside.setAttribute("aria-live", "polite");
    this.show(this.shown + step);
  }
}

async function write(result, request, signal) {
  const response = await ask({ ...request, stream: true, alternatives: 5 }, signal);
  const writing = new Writing(result, request.text);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const choice = JSON.parse(line);
      if (!choice.done) writing.add(choice);
    }
  }
}

// --- Asking ---

async function ask(request, signal) {
  const response = await fetch("/predict", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw new Error((await response.json()).error);
  return response;
}

const SHOW = { classification: showClasses, tagging: showTags, translation: showTranslation };

async function predict() {
  if (!model || running) return;
  const result = byId("result");
  result.replaceChildren();
  showError("");
  running = new AbortController();
  byId("send").disabled = true;
  byId("stop").hidden = model.task !== "language_modeling";
  try {
    const request = { text: byId("text").value, ...chosenOptions() };
    if (model.task === "language_modeling") {
      await write(result, request, running.signal);
    } else {
      const response = await ask(request, running.signal);
      SHOW[model.task](result, (await response.json()).predictions[0]);
    }
  } catch (error) {
    if (error.name !== "AbortError") {
      showError(error instanceof TypeError ? "The server does not answer." : error.message);
    }
  } finally {
    running = null;
    byId("send").disabled = false;
    byId("stop").hidden = true;
  }
}

function showError(message) {
  byId("error").textContent = message;
  byId("error").hidden = !message;
}

// --- Options ---

function optionsOf(served) {
  if (served.task === "translation") {
    const found = [];
    if (served.most_translations > 1) {
      found.push({ key: "n_best", label: "Translations", value: 1, min: 1,
        max: served.most_translations });
    }
    if (served.attention) found.push({ key: "attention", label: "Show attention", check: true });
    return found;
  }
  if (served.task === "language_modeling") {
    return [
      { key: "length", label: "Tokens", value: Math.min(60, served.limits.tokens), min: 1,
        max: served.limits.tokens },
      { key: "temperature", label: "Temperature", value: 0.7, min: 0, max: 5, step: 0.1 },
      { key: "seed", label: "Seed", value: 0, min: 0, max: 1000000 },
    ];
  }
  return [];
}

function addOptions(options) {
  const fieldset = byId("options");
  for (const option of options) {
    const label = element("label", option.check ? "check" : "");
    const input = element("input");
    input.name = option.key;
    if (option.check) {
      input.type = "checkbox";
      input.checked = true;
      label.append(input, option.label);
    } else {
      input.type = "number";
      input.min = option.min;
      input.max = option.max;
      input.step = option.step || 1;
      input.value = option.value;
      label.append(option.label, input);
    }
    fieldset.append(label);
  }
  fieldset.hidden = options.length === 0;
}

function chosenOptions() {
  const found = {};
  for (const input of byId("options").querySelectorAll("input")) {
    if (input.type === "checkbox") found[input.name] = input.checked;
    else if (input.value !== "") found[input.name] = Number(input.value);
  }
  return found;
}

// --- Start ---

const TASKS = {
  classification: ["A classifier", "Text", "Predict"],
  tagging: ["A tagger", "Sentence, its words between blanks", "Tag"],
  translation: ["A translator", "Text", "Translate"],
  language_modeling: ["A language model", "How the text begins", "Write on"],
};

async function start() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    predict();
  });
  byId("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("form").requestSubmit();
  });
  byId("stop").addEventListener("click", () => running && running.abort());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && running) running.abort();
  });
  try {
    model = await (await fetch("/model")).json();
  } catch {
    showError("The server does not answer.");
    return;
  }
  const [what, label, verb] = TASKS[model.task];
  document.title = `${model.name} – textnets`;
  byId("name").textContent = model.name;
  byId("task").textContent = model.labels ? `${what} of ${model.labels.length} labels` : what;
  byId("text-label").textContent = label;
  byId("send").textContent = verb;
  byId("text").maxLength = model.limits.characters;
  addOptions(optionsOf(model));
}

start();
