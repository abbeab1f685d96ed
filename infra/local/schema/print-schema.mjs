// Prints a gzipped introspection result as SDL: print-schema.mjs <admin.json.gz> <admin.graphql>
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { buildClientSchema, printSchema } from "graphql";

const [source, target] = process.argv.slice(2);
const answer = JSON.parse(gunzipSync(readFileSync(source)).toString("utf8"));
writeFileSync(target, printSchema(buildClientSchema(answer.data, { assumeValid: true })) + "\n");
