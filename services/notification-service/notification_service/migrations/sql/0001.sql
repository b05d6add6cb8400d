CREATE TABLE connection_states (
	connection_id UUID NOT NULL, 
	state TEXT NOT NULL, 
	CONSTRAINT pk_connection_states PRIMARY KEY (connection_id)
);

CREATE TABLE notes (
	subscription_id UUID NOT NULL, 
	notice_id UUID NOT NULL, 
	group_key TEXT NOT NULL, 
	urgent BOOLEAN NOT NULL, 
	send_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	state TEXT NOT NULL, 
	sending_id UUID, 
	CONSTRAINT pk_notes PRIMARY KEY (subscription_id, notice_id)
);

CREATE INDEX ix_notes_notice_id ON notes (notice_id);

CREATE INDEX ix_notes_pending ON notes (send_at) WHERE state = 'PENDING';

CREATE INDEX ix_notes_sending_id ON notes (sending_id);

CREATE TABLE notices (
	notice_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	severity SMALLINT NOT NULL, 
	cause TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	order_id UUID, 
	connection_id UUID, 
	due_at TIMESTAMP WITH TIME ZONE, 
	raised_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	resolved_at TIMESTAMP WITH TIME ZONE, 
	live BOOLEAN NOT NULL, 
	matched_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_notices PRIMARY KEY (notice_id)
);

CREATE INDEX ix_notices_subject ON notices (subject);

CREATE INDEX ix_notices_unmatched ON notices (raised_at) WHERE live AND matched_at IS NULL;

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	connection_id UUID NOT NULL, 
	order_number TEXT NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
);

CREATE TABLE sendings (
	sending_id UUID NOT NULL, 
	subscription_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	state TEXT NOT NULL, 
	urgent BOOLEAN NOT NULL, 
	is_trial BOOLEAN DEFAULT false NOT NULL, 
	attempts INTEGER DEFAULT 0 NOT NULL, 
	passed_on BOOLEAN DEFAULT false NOT NULL, 
	next_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	settled_at TIMESTAMP WITH TIME ZONE, 
	error TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_sendings PRIMARY KEY (sending_id)
);

CREATE INDEX ix_sendings_created_at ON sendings (created_at);

CREATE INDEX ix_sendings_due ON sendings (next_at) WHERE settled_at IS NULL;

CREATE TABLE subscriptions (
	subscription_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	label TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	address TEXT NOT NULL, 
	secret JSONB, 
	kinds TEXT[] NOT NULL, 
	min_severity SMALLINT NOT NULL, 
	digest_minutes INTEGER NOT NULL, 
	quiet_from TEXT, 
	quiet_until TEXT, 
	timezone TEXT NOT NULL, 
	muted_until TIMESTAMP WITH TIME ZONE, 
	rank INTEGER NOT NULL, 
	active BOOLEAN NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_subscriptions PRIMARY KEY (subscription_id)
);

CREATE INDEX ix_subscriptions_tenant ON subscriptions (tenant);

CREATE TABLE told_groups (
	subscription_id UUID NOT NULL, 
	group_key TEXT NOT NULL, 
	last_told_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_told_groups PRIMARY KEY (subscription_id, group_key)
);
