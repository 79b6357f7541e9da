// Reads an AsyncAPI document with its own parser, and the golden messages against its schemas.
// Usage: node asyncapi.cjs DOCUMENT < [{"schema": NAME, "file": NAME, "message": …}, …]
// Prints a JSON object: problems of the document, and of each message.
const fs = require("node:fs");
const { Parser } = require("@asyncapi/parser");
const Ajv = require("ajv");
const formats = require("ajv-formats");

async function main() {
  const text = fs.readFileSync(process.argv[2], "utf-8");
  const { document, diagnostics } = await new Parser().parse(text);
  const messages = [];
  const channels = [];
  if (document) {
    const ajv = new Ajv({ strict: false, allErrors: true });
    formats(ajv);
    ajv.addFormat("binary", true);
    ajv.addSchema({ $id: "wire", components: { schemas: require("js-yaml").load(text).components.schemas } });
    for (const { schema, file, message } of JSON.parse(fs.readFileSync(0, "utf-8"))) {
      const check = ajv.getSchema(`wire#/components/schemas/${schema}`);
      messages.push({ file, fits: check(message), errors: check.errors });
    }
    for (const channel of document.channels().all()) channels.push(channel.address());
  }
  console.log(JSON.stringify({ diagnostics, messages, channels }));
}

main().catch((error) => { console.error(error); process.exit(1); });
