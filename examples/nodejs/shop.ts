import { randomInt, randomUUID } from "node:crypto";

import { createTransport, type Transporter } from "nodemailer";

/** The sign-up of a shop: it mails a link and a code, and either of them confirms the address. */
export class Shop {
  readonly #mailer: Transporter;
  readonly #waiting = new Map<string, { email: string; code: string }>();
  readonly confirmed = new Set<string>();

  constructor(smtpUrl: string) {
    this.#mailer = createTransport(smtpUrl);
  }

  async signUp(email: string): Promise<void> {
    const token = randomUUID();
    const code = randomInt(1_000_000).toString().padStart(6, "0");
    const link = `https://shop.example/confirm?token=${token}`;
    await this.#mailer.sendMail({
      from: "The Shop <no-reply@shop.example>",
      to: email,
      subject: "Confirm your address",
      text: `Confirm your address: ${link}\n\nOr type this code: ${code}\n`,
      html:
        `<p><a href="${link}">Confirm my address</a>, or type this code: <b>${code}</b></p>` +
        `<p><a href="https://shop.example/unsubscribe">Unsubscribe</a></p>`,
    });
    this.#waiting.set(token, { email, code });
  }

  /** Confirm the address to which the link was sent. */
  open(link: string): void {
    const found = this.#waiting.get(new URL(link).searchParams.get("token") ?? "");
    if (found) this.confirmed.add(found.email);
  }

  /** Confirm the address if this is the code that was sent to it. */
  enter(email: string, code: string): void {
    for (const each of this.#waiting.values()) {
      if (each.email === email && each.code === code) this.confirmed.add(email);
    }
  }
}
