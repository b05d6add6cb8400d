ALTER TABLE rereads ALTER COLUMN difference_id DROP NOT NULL;

ALTER TABLE rereads ADD COLUMN wishes INTEGER DEFAULT 1 NOT NULL;

ALTER TABLE backfills
	ADD COLUMN export_ticket TEXT,
	ADD COLUMN export_asked_at TIMESTAMP WITH TIME ZONE,
	ADD COLUMN export_until TIMESTAMP WITH TIME ZONE,
	ADD COLUMN export_attempts INTEGER DEFAULT 0 NOT NULL,
	ADD COLUMN export_given_up BOOLEAN DEFAULT false NOT NULL,
	ADD COLUMN exports_asked INTEGER DEFAULT 0 NOT NULL,
	ADD COLUMN exports_read INTEGER DEFAULT 0 NOT NULL,
	ADD COLUMN exports_failed INTEGER DEFAULT 0 NOT NULL;

CREATE TABLE notices (
	notice_id UUID NOT NULL,
	connection_id UUID NOT NULL,
	tenant TEXT NOT NULL,
	sha256 BYTEA NOT NULL,
	body BYTEA NOT NULL,
	state TEXT DEFAULT 'received' NOT NULL,
	order_references INTEGER DEFAULT 0 NOT NULL,
	times INTEGER DEFAULT 1 NOT NULL,
	received_at TIMESTAMP WITH TIME ZONE NOT NULL,
	last_received_at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_notices PRIMARY KEY (notice_id),
	CONSTRAINT uq_notices_connection_id_sha256 UNIQUE (connection_id, sha256)
);

CREATE INDEX ix_notices_last_received_at ON notices (last_received_at);
