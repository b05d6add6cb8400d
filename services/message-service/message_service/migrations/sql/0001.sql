CREATE TABLE message_bodies (
	message_id UUID NOT NULL, 
	body TEXT NOT NULL, 
	kept_until TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_message_bodies PRIMARY KEY (message_id)
);

CREATE INDEX ix_message_bodies_kept_until ON message_bodies (kept_until);

CREATE TABLE messages (
	message_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	thread_reference TEXT, 
	order_id UUID, 
	message_reference TEXT, 
	sender TEXT NOT NULL, 
	attachments INTEGER DEFAULT 0 NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	sent_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	written_by TEXT, 
	body_hash TEXT, 
	effect_id UUID, 
	CONSTRAINT pk_messages PRIMARY KEY (message_id)
);

CREATE INDEX ix_messages_order ON messages (order_id);

CREATE INDEX ix_messages_thread ON messages (connection_id, thread_reference, sent_at);

CREATE UNIQUE INDEX ux_messages_reference ON messages (connection_id, message_reference);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	marketplace_reference TEXT NOT NULL, 
	order_number TEXT NOT NULL, 
	locale TEXT, 
	is_test BOOLEAN NOT NULL, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
);

CREATE UNIQUE INDEX ux_orders_reference ON orders (connection_id, marketplace_reference);

CREATE TABLE readings (
	connection_id UUID NOT NULL, 
	read_until TIMESTAMP WITH TIME ZONE, 
	next_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	failures INTEGER DEFAULT 0 NOT NULL, 
	last_error TEXT, 
	last_read_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_readings PRIMARY KEY (connection_id)
);

CREATE TABLE templates (
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	body TEXT NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_templates PRIMARY KEY (tenant, name, locale)
);

CREATE TABLE threads (
	connection_id UUID NOT NULL, 
	thread_reference TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	order_reference TEXT, 
	order_id UUID, 
	topic TEXT DEFAULT '' NOT NULL, 
	locale TEXT, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	waits_since TIMESTAMP WITH TIME ZONE, 
	answer_by TIMESTAMP WITH TIME ZONE, 
	alarm_at TIMESTAMP WITH TIME ZONE, 
	alarmed_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_threads PRIMARY KEY (connection_id, thread_reference)
);

CREATE INDEX ix_threads_order ON threads (order_id);

CREATE INDEX ix_threads_reference ON threads (connection_id, order_reference);

CREATE INDEX ix_threads_waiting ON threads (answer_by) WHERE waits_since is not null;
