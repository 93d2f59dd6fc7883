"""The sender of webhooks: a subscriber of the event log makes deliveries of mail and attempts them."""
