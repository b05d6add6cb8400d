ALTER TABLE orders ADD COLUMN erased_at TIMESTAMP WITH TIME ZONE;

CREATE INDEX ix_orders_not_erased ON orders (connection_id, created_at) WHERE erased_at is null;

CREATE TABLE erasures (
	order_id UUID NOT NULL,
	connection_id UUID NOT NULL,
	tenant TEXT NOT NULL,
	why TEXT NOT NULL,
	requested_by TEXT,
	reason TEXT DEFAULT '' NOT NULL,
	erased_at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_erasures PRIMARY KEY (order_id)
);

CREATE TABLE erasure_wishes (
	wish_id UUID NOT NULL,
	tenant TEXT NOT NULL,
	placed_before TIMESTAMP WITH TIME ZONE NOT NULL,
	requested_by TEXT NOT NULL,
	reason TEXT NOT NULL,
	requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
	erased INTEGER DEFAULT 0 NOT NULL,
	done_at TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_erasure_wishes PRIMARY KEY (wish_id)
);

CREATE INDEX ix_erasure_wishes_open ON erasure_wishes (requested_at) WHERE done_at is null;
