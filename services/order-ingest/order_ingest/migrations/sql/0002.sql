CREATE TABLE rereads (
	connection_id UUID NOT NULL,
	reference TEXT NOT NULL,
	difference_id UUID NOT NULL,
	tenant TEXT NOT NULL,
	state TEXT DEFAULT 'open' NOT NULL,
	attempts INTEGER DEFAULT 0 NOT NULL,
	last_error TEXT DEFAULT '' NOT NULL,
	requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
	next_at TIMESTAMP WITH TIME ZONE NOT NULL,
	read_at TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_rereads PRIMARY KEY (connection_id, reference)
);

CREATE INDEX ix_rereads_open ON rereads (connection_id, next_at) WHERE state = 'open';
