"""The sender of webhooks: it subscribes to the event log, makes deliveries from mail, and attempts them."""
