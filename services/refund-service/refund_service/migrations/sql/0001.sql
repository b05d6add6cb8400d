CREATE TABLE cancellations (
	cancellation_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	live BOOLEAN NOT NULL, 
	lines JSONB NOT NULL, 
	reason TEXT, 
	requested_by TEXT NOT NULL, 
	requested_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	state TEXT NOT NULL, 
	note TEXT NOT NULL, 
	check_at TIMESTAMP WITH TIME ZONE, 
	effect_id UUID, 
	traceparent TEXT, 
	causation_id TEXT, 
	CONSTRAINT pk_cancellations PRIMARY KEY (cancellation_id)
);

CREATE INDEX ix_cancellations_check_at ON cancellations (check_at) WHERE state = 'open';

CREATE INDEX ix_cancellations_connection_id ON cancellations (connection_id) WHERE state = 'open';

CREATE INDEX ix_cancellations_order_id ON cancellations (order_id);

CREATE TABLE ledger_entries (
	entry_id BIGINT GENERATED ALWAYS AS IDENTITY, 
	order_id UUID NOT NULL, 
	line_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	quantity INTEGER NOT NULL, 
	amount NUMERIC NOT NULL, 
	shipping_amount NUMERIC NOT NULL, 
	currency TEXT NOT NULL, 
	refund_id UUID, 
	reference TEXT, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	recorded_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_ledger_entries PRIMARY KEY (entry_id)
);

CREATE INDEX ix_ledger_entries_order_id ON ledger_entries (order_id, entry_id);

CREATE UNIQUE INDEX uq_ledger_entries_refund_step ON ledger_entries (refund_id, line_id, kind) WHERE refund_id is not null;

CREATE TABLE lines (
	order_id UUID NOT NULL, 
	line_id TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	offer_sku TEXT NOT NULL, 
	quantity INTEGER NOT NULL, 
	unit_price NUMERIC NOT NULL, 
	line_price NUMERIC NOT NULL, 
	shipping_price NUMERIC NOT NULL, 
	taxes JSONB NOT NULL, 
	shipping_taxes JSONB NOT NULL, 
	status TEXT NOT NULL, 
	refundable BOOLEAN, 
	CONSTRAINT pk_lines PRIMARY KEY (order_id, line_id)
);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	fulfilled_by TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	order_number TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	tax_mode TEXT NOT NULL, 
	status TEXT NOT NULL, 
	observed JSONB NOT NULL, 
	version BIGINT NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	traceparent TEXT, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
);

CREATE TABLE reason_lists (
	connection_id UUID NOT NULL, 
	reasons JSONB, 
	fetched_at TIMESTAMP WITH TIME ZONE, 
	next_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	failures INTEGER NOT NULL, 
	error TEXT NOT NULL, 
	CONSTRAINT pk_reason_lists PRIMARY KEY (connection_id)
);

CREATE TABLE refunds (
	refund_id UUID NOT NULL, 
	seq BIGINT GENERATED ALWAYS AS IDENTITY, 
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	return_id UUID, 
	tenant TEXT NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	state TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	lines JSONB NOT NULL, 
	refund_shipping BOOLEAN NOT NULL, 
	requested_by TEXT NOT NULL, 
	requested_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	effect_id UUID, 
	refund_references TEXT[] DEFAULT '{}' NOT NULL, 
	confirmed_by TEXT, 
	reason TEXT DEFAULT '' NOT NULL, 
	settled_at TIMESTAMP WITH TIME ZONE, 
	traceparent TEXT, 
	causation_id TEXT, 
	CONSTRAINT pk_refunds PRIMARY KEY (refund_id)
);

CREATE INDEX ix_refunds_order_id ON refunds (order_id, seq);

CREATE INDEX ix_refunds_return_id ON refunds (return_id);

CREATE TABLE returns (
	return_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	shop_return_reference TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	live BOOLEAN NOT NULL, 
	stage TEXT NOT NULL, 
	lines JSONB NOT NULL, 
	refund_shipping BOOLEAN NOT NULL, 
	reported_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	state TEXT NOT NULL, 
	note TEXT NOT NULL, 
	check_at TIMESTAMP WITH TIME ZONE, 
	traceparent TEXT, 
	causation_id TEXT, 
	CONSTRAINT pk_returns PRIMARY KEY (return_id)
);

CREATE INDEX ix_returns_check_at ON returns (check_at) WHERE state = 'open';

CREATE INDEX ix_returns_connection_id ON returns (connection_id) WHERE state = 'open';

CREATE INDEX ix_returns_order_id ON returns (order_id);

CREATE INDEX ix_returns_reported_at ON returns (reported_at);
