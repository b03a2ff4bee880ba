"""The recipes that ship with textnets; installed as ``textnets_recipes``."""
