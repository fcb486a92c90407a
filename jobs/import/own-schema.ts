import type pg from 'pg'

/** Each entry is applied once, in its own transaction; a new version adds entries and never edits one. */
const migrations: readonly string[] = [
  `CREATE TABLE convoke.audience_members (
     segment text NOT NULL, recipient_key jsonb NOT NULL, status text NOT NULL, since timestamptz NOT NULL, run text NOT NULL,
     PRIMARY KEY (segment, recipient_key));
   CREATE TABLE convoke.import_ledger (
     run text NOT NULL, file text NOT NULL, sha256 text NOT NULL, rows bigint NOT NULL, committed_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (run, file));
   CREATE TABLE convoke.import_results (run text NOT NULL, manifest text NOT NULL, details jsonb NOT NULL, PRIMARY KEY (run, manifest));`,
  // For servers before PostgreSQL 16, which have no pg_input_is_valid.
  `CREATE FUNCTION convoke.input_is_valid(value text, type text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
   BEGIN
     EXECUTE format('SELECT %L::%s', value, type);
     RETURN true;
   EXCEPTION WHEN data_exception OR integrity_constraint_violation OR undefined_object THEN
     RETURN false;
   END $$;`,
]

/** Creates or brings up to date the schema `convoke`, where everything of ours in a Campaign database lies. */
export async function ensureOwnSchema(client: pg.Client): Promise<void> {
  const { rows } = await client.query(`SELECT to_regclass('convoke.migrations') IS NOT NULL AS there`)
  if (rows[0]?.there === true && (await appliedCount(client)) >= migrations.length) return
  await client.query(`BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('convoke:migrations', 0))`)
  // A schema that an administrator has created for the role needs no right to create one.
  const { rows: schemas } = await client.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'convoke'`)
  if (schemas.length === 0) await client.query('CREATE SCHEMA convoke')
  await client.query(
    'CREATE TABLE IF NOT EXISTS convoke.migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
  )
  for (let version = (await appliedCount(client)) + 1; version <= migrations.length; version++) {
    await client.query(migrations[version - 1]!)
    await client.query('INSERT INTO convoke.migrations (version) VALUES ($1)', [version])
  }
  await client.query('COMMIT')
}

async function appliedCount(client: pg.Client): Promise<number> {
  const { rows } = await client.query('SELECT coalesce(max(version), 0)::integer AS version FROM convoke.migrations')
  return rows[0].version
}
