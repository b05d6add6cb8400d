CREATE INDEX ix_orders_connection_id ON orders (connection_id, created_at);
