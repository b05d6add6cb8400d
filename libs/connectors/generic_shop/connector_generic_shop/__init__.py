"""Any e-commerce platform as a shop of the hub, over signed webhooks and a documented API: no code per platform."""
