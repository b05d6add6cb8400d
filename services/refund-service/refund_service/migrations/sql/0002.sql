CREATE TABLE marketplace_returns (
	return_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	return_reference TEXT NOT NULL, 
	order_reference TEXT NOT NULL, 
	order_id UUID, 
	stage TEXT NOT NULL, 
	marketplace_state TEXT NOT NULL, 
	lines JSONB NOT NULL, 
	tracking_number TEXT, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	told TEXT, 
	answer TEXT, 
	answer_state TEXT, 
	answered_by TEXT, 
	reason_code TEXT, 
	revision INTEGER DEFAULT 0 NOT NULL, 
	effect_id UUID, 
	CONSTRAINT pk_marketplace_returns PRIMARY KEY (return_id)
);

CREATE INDEX ix_marketplace_returns_order_id ON marketplace_returns (order_id);

CREATE INDEX ix_marketplace_returns_reference ON marketplace_returns (connection_id, order_reference);

CREATE INDEX ix_marketplace_returns_stage ON marketplace_returns (stage, updated_at);

CREATE TABLE return_readings (
	connection_id UUID NOT NULL, 
	read_until TIMESTAMP WITH TIME ZONE, 
	next_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	failures INTEGER DEFAULT 0 NOT NULL, 
	last_error TEXT, 
	CONSTRAINT pk_return_readings PRIMARY KEY (connection_id)
);

CREATE INDEX ix_orders_reference ON orders (connection_id, reference);
