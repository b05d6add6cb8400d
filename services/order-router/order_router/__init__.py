"""order-router: decides once, and explains, which shop serves which line of an order; parks what cannot be decided."""
