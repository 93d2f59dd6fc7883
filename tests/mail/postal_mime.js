// Parses messages with postal-mime. Reads lines of a message in base64, writes a line of JSON for each.
const module_ = require("postal-mime");
const PostalMime = module_.default || module_;

const flat = list => (list || []).flatMap(each => (each.group ? each.group : [each])).map(each => [each.address, each.name]);

const read = async line => {
  const parser = new PostalMime({ forceRfc822Attachments: true });
  const mail = await parser.parse(Buffer.from(line, "base64"));
  // mail.text has texts that were made from HTML too, and the other way round
  const sent = kind => [...parser.textMap.values()].flatMap(each => each[kind] || []).map(each => each.value).join("\n");
  return {
    subject: mail.subject || "",
    sender: flat(mail.from ? [mail.from] : []),
    to: flat(mail.to),
    cc: flat(mail.cc),
    text: sent("plain"),
    html: sent("html"),
    files: mail.attachments.map(each => [each.filename || "", each.mimeType, Buffer.from(each.content).toString("base64")]),
  };
};

(async () => {
  const lines = require("fs").readFileSync(0, "utf8").trim().split("\n");
  for (const line of lines) {
    let answer;
    try {
      answer = await read(line);
    } catch (error) {
      answer = { error: String(error) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
})();
