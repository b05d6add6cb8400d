"""order-acceptance: decides whether an order is accepted, refused or held, answers in time, watches the clock."""
