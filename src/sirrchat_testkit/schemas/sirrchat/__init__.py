"""The shapes of the SirrChat API: requests, answers, and the calls to webhooks."""
