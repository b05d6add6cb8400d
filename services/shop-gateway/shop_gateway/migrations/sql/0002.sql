CREATE TABLE customer_corrections (
    correction_id UUID NOT NULL PRIMARY KEY,
    order_id UUID NOT NULL,
    shipping JSONB,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    corrected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    superseded BOOLEAN NOT NULL DEFAULT false
);
COMMENT ON TABLE customer_corrections IS 'What people put right in a delivery address; what the marketplace gave stays in customers';
CREATE UNIQUE INDEX uq_customer_corrections_order_id ON customer_corrections (order_id) WHERE NOT superseded;
CREATE INDEX ix_customer_corrections_order_id ON customer_corrections (order_id, corrected_at);
