// Prints what a push may fill: the inputs below the given roots, their fields with their types, and the enums they use.
//
//   print-inputs.mjs <root input type> …
//
// Deprecated fields and values are left out: nothing new may be mapped to them.
// SHOPIFY_SCHEMA_DIR names the directory with admin_2026-07.graphql and node_modules.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const VERSION = "2026-07";
const home = resolve(process.env.SHOPIFY_SCHEMA_DIR);
const { buildSchema, getNamedType, isEnumType, isInputObjectType } = createRequire(join(home, "package.json"))("graphql");
const schema = buildSchema(readFileSync(join(home, `admin_${VERSION}.graphql`), "utf8"), { assumeValid: true });

const inputs = {};
const enums = {};
const oneOf = [];
const waiting = process.argv.slice(2);
while (waiting.length > 0) {
  const name = waiting.pop();
  const type = schema.getType(name);
  if (isInputObjectType(type) && !inputs[name]) {
    const fields = Object.values(type.getFields()).filter((field) => field.deprecationReason == null);
    inputs[name] = Object.fromEntries(fields.map((field) => [field.name, String(field.type)]));
    if (type.isOneOf) oneOf.push(name);
    waiting.push(...fields.map((field) => getNamedType(field.type).name));
  } else if (isEnumType(type) && !enums[name]) {
    enums[name] = type.getValues().filter((value) => value.deprecationReason == null).map((value) => value.name);
  } else if (!type) {
    console.error(`the schema has no ${name}`);
    process.exit(1);
  }
}
const sorted = (things) => Object.fromEntries(Object.entries(things).sort(([a], [b]) => (a < b ? -1 : 1)));
// One line for each enum, so that a difference between two versions reads well.
const table = { api_version: VERSION, one_of: oneOf.sort(), enums: {}, inputs: sorted(inputs) };
const lines = Object.entries(sorted(enums)).map(([name, values]) => `    ${JSON.stringify(name)}: ${JSON.stringify(values)}`);
console.log(JSON.stringify(table, null, 2).replace('"enums": {}', `"enums": {\n${lines.join(",\n")}\n  }`));
