ALTER TABLE story_events ADD COLUMN seq BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL;
CREATE UNIQUE INDEX ix_story_events_seq ON story_events (seq);
ALTER TABLE parked_items ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
ALTER TABLE doubts ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
UPDATE parked_items p SET tenant = c.tenant FROM connections c WHERE c.connection_id = p.connection_id;
UPDATE parked_items p SET tenant = o.tenant FROM orders o WHERE o.order_id = p.order_id AND p.tenant = '';
UPDATE doubts d SET tenant = c.tenant FROM connections c WHERE c.connection_id = d.connection_id;
CREATE TABLE customer_terms (
    order_id UUID NOT NULL,
    term BYTEA NOT NULL,
    PRIMARY KEY (order_id, term)
);
COMMENT ON TABLE customer_terms IS 'Keyed digests of what a buyer can be looked for by; the words themselves are never kept';
CREATE INDEX ix_customer_terms_term ON customer_terms (term);
CREATE TABLE sessions (
    session_key BYTEA NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    role TEXT NOT NULL,
    tenants TEXT[],
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    flash JSONB
);
CREATE INDEX ix_sessions_ends_at ON sessions (ends_at);
CREATE TABLE sign_in_failures (
    failure_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL
);
CREATE INDEX ix_sign_in_failures_login ON sign_in_failures (login, at);
CREATE TABLE audit_log (
    audit_id UUID NOT NULL PRIMARY KEY,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    login TEXT NOT NULL,
    role TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    tenant TEXT NOT NULL,
    order_id UUID,
    detail JSONB NOT NULL,
    outcome TEXT NOT NULL,
    why TEXT NOT NULL DEFAULT '',
    ended_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX ix_audit_log_at ON audit_log (at);
CREATE INDEX ix_audit_log_order_id ON audit_log (order_id);
