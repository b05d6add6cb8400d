CREATE TABLE withdrawals (
	connection_id UUID NOT NULL,
	offer_sku TEXT NOT NULL,
	withdrawn_at TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_withdrawals PRIMARY KEY (connection_id, offer_sku)
);

INSERT INTO withdrawals (connection_id, offer_sku, withdrawn_at)
SELECT connection_id, offer_sku, withdrawn_at FROM offers WHERE withdrawn_at IS NOT NULL;
