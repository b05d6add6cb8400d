CREATE INDEX ix_orders_routed ON orders (connection_id, routed_at) WHERE routed_at IS NOT NULL;
