import type { Database } from '../postgres/connection.ts'

/** Each entry is applied once, in its own transaction. A new version adds entries and never edits one. */
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
  // A Run of the same name with another plan is another Run. Entries from before this column have no plan.
  `ALTER TABLE convoke.import_ledger ADD COLUMN plan_digest text NOT NULL DEFAULT '', DROP CONSTRAINT import_ledger_pkey, ADD PRIMARY KEY (run, file, plan_digest);
   ALTER TABLE convoke.import_results ADD COLUMN plan_digest text NOT NULL DEFAULT '', DROP CONSTRAINT import_results_pkey, ADD PRIMARY KEY (run, manifest, plan_digest);
   CREATE TABLE convoke.waiting_rows (
     activation text NOT NULL, segment text NOT NULL, recipient_key jsonb NOT NULL, attributes jsonb NOT NULL, reason text NOT NULL,
     since timestamptz NOT NULL, run text NOT NULL, PRIMARY KEY (activation, segment, recipient_key));
   COMMENT ON TABLE convoke.waiting_rows IS 'Delivered rows whose recipient is not there yet; each import tries them again.';`,
]

/** Creates the schema `convoke`, or brings it up to date. All our tables in a Campaign database lie there. */
export async function ensureOwnSchema(database: Database): Promise<void> {
  const options = { mode: 'Default', tables: [], advice: 'Look at what is in the schema convoke.' } as const
  const { applied, isThere } = await database.transaction(options, async () => {
    const { rows } = await database.query<{ isThere: boolean; hasTable: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'convoke') AS "isThere",
         EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'convoke' AND c.relname = 'migrations') AS "hasTable"`,
    )
    const [found] = rows
    return { ...found!, applied: found!.hasTable ? await appliedCount(database) : 0 }
  })
  if (applied >= migrations.length) return
  const grant = isThere
    ? `Grant the role what it needs: ALTER SCHEMA convoke OWNER TO ${database.role}; and the same for the tables in it.`
    : `Let an administrator create the schema: CREATE SCHEMA convoke AUTHORIZATION ${database.role};`
  await database.transaction({ ...options, grant }, async () => {
    await database.query(`SELECT pg_advisory_xact_lock(hashtextextended('convoke:migrations', 0))`)
    // The role needs no right to create a schema where an administrator has created this one.
    if (!isThere) await database.query('CREATE SCHEMA IF NOT EXISTS convoke')
    await database.query(
      'CREATE TABLE IF NOT EXISTS convoke.migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
    )
    for (let version = (await appliedCount(database)) + 1; version <= migrations.length; version++) {
      await database.query(migrations[version - 1]!)
      await database.query('INSERT INTO convoke.migrations (version) VALUES ($1)', [version])
    }
  })
}

async function appliedCount(database: Database): Promise<number> {
  const { rows } = await database.query('SELECT coalesce(max(version), 0)::integer AS version FROM convoke.migrations')
  return rows[0].version
}
