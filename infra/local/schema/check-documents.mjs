// Validates every *.graphql file under the given paths against the pinned Admin schema; deprecated use counts as an error.
//
//   check-documents.mjs <file or directory> …
//   check-documents.mjs --expect-errors <directory>   the gate's own test: each file must fail as its `# expects:` line says
//
// SHOPIFY_SCHEMA_DIR names the directory with admin_2026-07.graphql and node_modules.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative, resolve } from "node:path";

const VERSION = "2026-07";
const home = process.env.SHOPIFY_SCHEMA_DIR;
if (!home) {
  console.error("SHOPIFY_SCHEMA_DIR is not set");
  process.exit(2);
}
const { Source, buildSchema, getLocation, parse, specifiedRules, validate, NoDeprecatedCustomRule } =
  createRequire(join(resolve(home), "package.json"))("graphql");

function documentsBelow(path) {
  if (statSync(path).isFile()) return path.endsWith(".graphql") ? [path] : [];
  return readdirSync(path, { withFileTypes: true })
    .filter((item) => item.name !== "target" && item.name !== "node_modules" && !item.name.startsWith("."))
    .flatMap((item) => documentsBelow(join(path, item.name)))
    .sort();
}

const schema = buildSchema(readFileSync(join(home, `admin_${VERSION}.graphql`), "utf8"), { assumeValid: true });

/** Findings of one file as { line, column, message }. */
function findings(path) {
  const source = new Source(readFileSync(path, "utf8"), relative(process.cwd(), path));
  let document;
  try {
    document = parse(source);
  } catch (error) {
    return [{ ...(error.locations?.[0] ?? { line: 1, column: 1 }), message: error.message }];
  }
  const operations = document.definitions.filter((definition) => definition.kind === "OperationDefinition");
  const problems = validate(schema, document, [...specifiedRules, NoDeprecatedCustomRule], { maxErrors: Infinity }).map((error) => ({
    ...(error.locations?.[0] ?? { line: 1, column: 1 }),
    message: error.message,
  }));
  if (operations.length === 0) problems.push({ line: 1, column: 1, message: "The file holds no operation." });
  for (const operation of operations.filter((operation) => !operation.name)) {
    problems.push({ ...getLocation(source, operation.loc.start), message: "An operation must have a name." });
  }
  return problems;
}

const expectErrors = process.argv[2] === "--expect-errors";
const roots = process.argv.slice(expectErrors ? 3 : 2);
const files = roots.flatMap((root) => documentsBelow(resolve(root)));
let failed = 0;
for (const file of files) {
  const name = relative(process.cwd(), file);
  const problems = findings(file);
  if (expectErrors) {
    const expected = /^# expects: (\d+): (.+)$/m.exec(readFileSync(file, "utf8"));
    const met = expected && problems.length === 1 && problems[0].line === Number(expected[1]) && problems[0].message.includes(expected[2]);
    if (!met) {
      failed += 1;
      console.error(`${name}: expected ${expected?.[0] ?? "an `# expects:` line"}, found ${JSON.stringify(problems)}`);
    }
  } else {
    failed += problems.length;
    for (const { line, column, message } of problems) console.error(`${name}:${line}:${column}: ${message}`);
  }
}
if (files.length === 0) {
  console.error(`no GraphQL document below ${roots.join(", ")}`);
  process.exit(1);
}
const outcome = expectErrors ? `${files.length} bad documents, ${failed} not refused as they should be` : `${files.length} documents, ${failed} findings`;
console.log(`${outcome} (Admin API ${VERSION})`);
process.exit(failed ? 1 : 0);
