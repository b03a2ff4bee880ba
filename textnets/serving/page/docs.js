"use strict";
// Shows /openapi.json: one section a path. Texts are put in place as text, never as HTML.

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// `code` between backticks.
function paragraph(text) {
  const made = element("p");
  text.split("`").forEach((part, index) => {
    made.append(index % 2 ? element("code", part) : part);
  });
  return made;
}

function typeOf(schema) {
  if (schema.anyOf) {
    return schema.anyOf.filter((one) => one.type !== "null").map(typeOf).join(" or ");
  }
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  return schema.type || "any";
}

function keys(schema) {
  const table = element("table", undefined, "keys");
  const head = element("tr");
  for (const name of ["Key", "Type", "What it is"]) head.append(element("th", name));
  table.append(head);
  for (const [name, property] of Object.entries(schema.properties)) {
    const row = element("tr");
    const key = element("td");
    key.append(element("code", name));
    row.append(key, element("td", typeOf(property)), element("td", property.description || ""));
    table.append(row);
  }
  return table;
}

function section(path, method, operation) {
  const found = element("section");
  const title = element("h2");
  title.append(element("code", `${method.toUpperCase()} ${path}`));
  found.append(title, paragraph(operation.summary));
  if (operation.description) found.append(paragraph(operation.description));
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  if (content) {
    found.append(keys(content.schema));
    const body = JSON.stringify(content.example).replace(/'/g, "'\\''");
    found.append(element("pre", `curl -d '${body}' ${location.origin}${path}`));
  } else {
    found.append(element("pre", `curl ${location.origin}${path}`));
  }
  return found;
}

async function start() {
  try {
    const api = await (await fetch("/openapi.json")).json();
    document.getElementById("title").textContent = api.info.title;
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        document.getElementById("paths").append(section(path, method, operation));
      }
    }
  } catch {
    const error = document.getElementById("error");
    error.textContent = "The server does not answer.";
    error.hidden = false;
  }
}

start();
