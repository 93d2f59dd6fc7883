import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import createClient, { type Client } from "openapi-fetch";

import type { paths } from "./testkit-api.js";

export interface MailServer {
  readonly smtpUrl: string;
  /** The REST APIs, with the types of the server's OpenAPI document. */
  readonly api: Client<paths>;
  stop(): Promise<void>;
}

/** Start a mail server on free ports. It prints one line of JSON when it is ready. */
export async function startMailServer(): Promise<MailServer> {
  const command = ["-m", "sirrchat_testkit", "serve", "--json", "--smtp-port", "0", "--http-port", "0"];
  const server = spawn("python", command, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(server, "exit");
  const { value: line } = await createInterface(server.stdout)[Symbol.asyncIterator]().next();
  if (!line) throw new Error("the mail server did not start; it has printed the reason");
  const { smtp_host, smtp_port, api_url, api_key } = JSON.parse(line);
  return {
    smtpUrl: `smtp://${smtp_host}:${smtp_port}`,
    api: createClient<paths>({ baseUrl: api_url, headers: { Authorization: `Bearer ${api_key}` } }),
    async stop() {
      server.kill();
      await exited;
    },
  };
}
