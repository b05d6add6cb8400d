#!/bin/sh
# Runs once, when the data folder is empty: one role and one database per service, closed to all others.
set -eu
for service in $HUB_SERVICES; do
  name="hub_$(printf %s "$service" | tr - _)"
  psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set name="$name" --set password="$HUB_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
