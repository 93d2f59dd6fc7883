import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";

import { startMailServer, type MailServer } from "./mailserver.js";
import { Shop } from "./shop.js";

let server: MailServer;
let shop: Shop;

before(async () => {
  server = await startMailServer();
  shop = new Shop(server.smtpUrl);
});

after(() => server.stop());

/** Make an address of its own for a test, so that tests can run in parallel and in any order. */
async function newAddress(): Promise<string> {
  const { data, error } = await server.api.POST("/testkit/v1/addresses", { body: {} });
  assert.ok(data, error?.error.message);
  return data.email;
}

/** Wait for the next message to `address`. If none arrives, the error says what did. */
async function receive(address: string, subject?: string) {
  const query = { to: address, subject, timeout: 5 };
  const { data, error } = await server.api.GET("/testkit/v1/wait", { params: { query } });
  assert.ok(data, error?.error.message);
  return data.data[0]!;
}

test("the code in the mail confirms the address", async () => {
  const address = await newAddress();

  await shop.signUp(address);

  const message = await receive(address, "Confirm your address");
  assert.equal(message.from, "no-reply@shop.example");
  assert.ok(message.code, "no code, or several");
  shop.enter(address, message.code);
  assert.ok(shop.confirmed.has(address));
});

test("the link in the mail confirms the address", async () => {
  const address = await newAddress();

  await shop.signUp(address);

  const { link } = await receive(address);
  assert.ok(link, "no link, or several");
  shop.open(link);
  assert.ok(shop.confirmed.has(address));
});

test("a wait that fails says what arrived instead", async () => {
  const address = await newAddress();
  await shop.signUp(address);

  const { error } = await server.api.GET("/testkit/v1/wait", {
    params: { query: { to: address, subject: "Welcome", timeout: 0.1 } },
  });

  assert.equal(error?.error.code, "timeout");
  assert.match(error.error.message, /^subject: wanted 'Welcome', was 'Confirm your address'/);
  assert.equal(error.error.details.near_misses?.[0]?.recipient, address);
});

test("the stream of events has the message", async () => {
  const address = await newAddress();
  const { data } = await server.api.GET("/testkit/v1/events", {
    params: { query: { after: 0 } },
    parseAs: "stream",
  });
  assert.ok(data);

  await shop.signUp(address);

  for await (const event of events(data)) {
    if (event.name === "message.received" && event.data.recipient === address) {
      assert.equal(event.data.subject, "Confirm your address");
      return;
    }
  }
  assert.fail("the stream ended");
});

/** Parse Server-Sent Events. */
async function* events(stream: ReadableStream<Uint8Array>) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    const blocks = (text + decoder.decode(chunk, { stream: true })).split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/m.exec(block) ?? [];
      if (name && data) yield { name, data: JSON.parse(data) };
    }
  }
}

test("misspelt names do not compile", () => {
  const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"];
  const { stdout } = spawnSync("npx", ["tsc", ...flags, "misspelt.ts"], { encoding: "utf8" });
  assert.match(stdout, /'subjct' does not exist in type '{.*}'. Did you mean to write 'subject'\?/);
  assert.match(stdout, /Property 'cod' does not exist on type '{.*}'. Did you mean 'code'\?/);
});
