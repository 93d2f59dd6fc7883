"""Webhooks are told of mail here: one subscriber of the log makes deliveries and attempts them."""
