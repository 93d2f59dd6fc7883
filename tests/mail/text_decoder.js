// Decodes bytes with TextDecoder. Reads lines of JSON, [label, [bytes in base64, ...]], and writes for each a line:
// null for an unknown label, or [name of the encoding, [text, or null for invalid bytes, ...]].
const decoded = ([label, all]) => {
  let decoder;
  try {
    decoder = new TextDecoder(label, { fatal: true, ignoreBOM: true });
  } catch (error) {
    return null;
  }
  const texts = all.map(bytes => {
    try {
      return decoder.decode(Buffer.from(bytes, "base64"));
    } catch (error) {
      return null;
    }
  });
  return [decoder.encoding, texts];
};
const input = require("fs").readFileSync(0, "utf8").trim().split("\n");
process.stdout.write(input.map(line => JSON.stringify(decoded(JSON.parse(line))) + "\n").join(""));
