CREATE TABLE order_tallies (
    tally_id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    connection_id UUID NOT NULL,
    connector TEXT NOT NULL,
    status TEXT NOT NULL,
    is_test BOOLEAN NOT NULL,
    orders BIGINT NOT NULL
);
COMMENT ON TABLE order_tallies IS 'Differences whose sum is the number of orders in a status: counting never reads the orders';
CREATE TABLE hourly_tallies (
    tally_id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL PRIMARY KEY,
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    tenant TEXT NOT NULL,
    connection_id UUID,
    what TEXT NOT NULL,
    events BIGINT NOT NULL
);
COMMENT ON TABLE hourly_tallies IS 'Differences whose sum is how often something happened in an hour; kept for two weeks';
CREATE INDEX ix_hourly_tallies_hour ON hourly_tallies (hour);
CREATE FUNCTION tally_new_orders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO order_tallies (tenant, connection_id, connector, status, is_test, orders)
    SELECT tenant, connection_id, connector, status, is_test, count(*) FROM fresh GROUP BY 1, 2, 3, 4, 5; RETURN NULL; END $$;
CREATE FUNCTION tally_changed_orders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO order_tallies (tenant, connection_id, connector, status, is_test, orders)
    SELECT tenant, connection_id, connector, status, is_test, sum(step) FROM (
        SELECT tenant, connection_id, connector, status, is_test, 1 AS step FROM fresh
        UNION ALL SELECT tenant, connection_id, connector, status, is_test, -1 FROM stale) moved
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(step) <> 0; RETURN NULL; END $$;
CREATE FUNCTION tally_gone_orders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO order_tallies (tenant, connection_id, connector, status, is_test, orders)
    SELECT tenant, connection_id, connector, status, is_test, -count(*) FROM stale GROUP BY 1, 2, 3, 4, 5; RETURN NULL; END $$;
CREATE TRIGGER tally_new_orders AFTER INSERT ON orders REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tally_new_orders();
CREATE TRIGGER tally_changed_orders AFTER UPDATE ON orders REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tally_changed_orders();
CREATE TRIGGER tally_gone_orders AFTER DELETE ON orders REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION tally_gone_orders();
CREATE FUNCTION tally_story_events() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO hourly_tallies (hour, tenant, connection_id, what, events)
    SELECT date_trunc('hour', at, 'UTC'), tenant,
           coalesce(data ->> 'connection_id', data -> 'order' ->> 'connection_id')::uuid,
           CASE type WHEN 'order.received.v1' THEN 'received' WHEN 'order.accepted.v1' THEN 'accepted'
                     WHEN 'order.refused.v1' THEN 'refused' WHEN 'order.status_changed.v1' THEN 'shipped'
                     WHEN 'order.deadline_missed.v1' THEN 'missed' WHEN 'work.parked.v1' THEN 'parked' ELSE 'resumed' END,
           count(*)
    FROM fresh
    WHERE type IN ('order.received.v1', 'order.accepted.v1', 'order.refused.v1', 'order.status_changed.v1',
                   'order.deadline_missed.v1', 'work.parked.v1', 'work.resumed.v1')
      AND (type <> 'order.status_changed.v1' OR data ->> 'to_status' = 'SHIPPED')
      AND (origin = 'live' OR type IN ('work.parked.v1', 'work.resumed.v1'))
      AND coalesce(data ->> 'is_test', data -> 'order' ->> 'is_test', 'false') <> 'true'
    GROUP BY 1, 2, 3, 4; RETURN NULL; END $$;
CREATE TRIGGER tally_story_events AFTER INSERT ON story_events REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tally_story_events();
INSERT INTO order_tallies (tenant, connection_id, connector, status, is_test, orders)
SELECT tenant, connection_id, connector, status, is_test, count(*) FROM orders GROUP BY 1, 2, 3, 4, 5;
UPDATE orders SET search = left(regexp_replace(search, '(\S{200})\S+', '\1', 'g'), 250000)
WHERE length(search) > 250000 OR search ~ '\S{201}';
CREATE INDEX ix_orders_words ON orders USING gin (array_to_tsvector(array_remove(string_to_array(search, ' '), '')));
CREATE INDEX ix_orders_connection_id ON orders (connection_id, created_at);
CREATE INDEX ix_orders_tenant ON orders (tenant, created_at);
CREATE INDEX ix_orders_accept_by ON orders (accept_by) INCLUDE (tenant) WHERE status = 'PENDING' AND live AND ours AND NOT is_test;
CREATE INDEX ix_orders_ship_by ON orders (ship_by) INCLUDE (tenant) WHERE status = 'PREPARATION' AND live AND ours AND NOT is_test;
CREATE INDEX ix_orders_unfinished ON orders (created_at) WHERE live AND ours AND NOT is_test
    AND status NOT IN ('SHIPPED', 'DELIVERED', 'REFUNDING', 'REFUNDED', 'REFUSED', 'CANCELLED');
CREATE INDEX ix_orders_test ON orders (created_at) WHERE is_test;
