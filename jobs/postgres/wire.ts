import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type pg from 'pg'
import type { DatabasePlan } from '#crds'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'

/**
 * How the way to a database is protected. `VerifyFull`: TLS, and the server's certificate is of a known CA and names the host.
 * `VerifyCa`: of a known CA. `Require`: TLS, whoever answers. `Prefer`: TLS where the server has it. `Disable`: unencrypted.
 */
type Protection = 'VerifyFull' | 'VerifyCa' | 'Require' | 'Prefer' | 'Disable'

/** Where to connect, and how. */
export type Wire = {
  readonly config: pg.ClientConfig
  readonly protection: Protection
  /** Where the certificate authorities come from, such as `the Secret x`; null: those that Node.js knows. */
  readonly authorities: string | null
  /** What to write, and where, to get another protection. */
  readonly setting: (sslMode: 'VerifyFull' | 'Require' | 'Disable') => string
}

/** The way to a database: by the URL that was given for the instance, else by the plan. */
export function wireOf(instance: string, database: DatabasePlan, ports: Ports): Wire {
  const url = ports.database(instance)
  return url === null ? wireOfPlan(instance, database, ports) : wireOfUrl(instance, url)
}

function wireOfPlan(instance: string, database: DatabasePlan, ports: Ports): Wire {
  const { host, port, database: name, sslMode = 'VerifyFull', caSecretRef, credentialsSecretRef } = database
  const secret = credentialsSecretRef?.name
  const authorities = caSecretRef ? `the Secret ${caSecretRef.name}` : null
  const ca =
    caSecretRef && certificates(ports.secret(caSecretRef.name, 'ca.crt'), `ca.crt of the Secret ${caSecretRef.name}`)
  const protection = sslMode === 'Require' && ca !== undefined ? 'VerifyCa' : sslMode
  return {
    config: {
      host,
      port,
      database: name,
      ...(secret !== undefined && {
        user: ports.secret(secret, 'username'),
        password: ports.secret(secret, 'password'),
      }),
      ssl: sslOf(protection, ca ? { ca } : {}),
    },
    protection,
    authorities,
    setting: (mode) => `database.postgreSQL.sslMode: ${mode} in the CampaignInstance ${instance}`,
  }
}

const protections: Readonly<Record<string, Protection>> = {
  disable: 'Disable',
  allow: 'Prefer',
  prefer: 'Prefer',
  require: 'Require',
  'no-verify': 'Require',
  'verify-ca': 'VerifyCa',
  'verify-full': 'VerifyFull',
}

/** What libpq makes of the same URL, except that a URL without a setting verifies the server, unless it leads to this machine. */
function wireOfUrl(instance: string, url: string): Wire {
  const [base = '', query = ''] = url.split('?', 2)
  const given = new URLSearchParams(query)
  const take = (key: string): string | null => {
    const value = given.get(key)
    given.delete(key)
    return value
  }
  const [mode, ssl, root, certificate, key] = ['sslmode', 'ssl', 'sslrootcert', 'sslcert', 'sslkey'].map(take)
  const asked = mode ?? (ssl === 'true' || ssl === '1' ? 'verify-full' : ssl === null ? null : 'disable')
  const host = given.get('host') ?? hostIn(base)
  const named = asked === null ? (isHere(host) ? 'Disable' : 'VerifyFull') : protections[asked]
  if (named === undefined)
    throw new JobError(
      'InvalidPlan',
      `The URL of the CampaignInstance ${instance} has sslmode=${asked}. It is one of ${Object.keys(protections).join(', ')}.`,
    )
  const read = (path: string | null | undefined) => (path ? fileIn(instance, path) : undefined)
  const ca = root === 'system' ? undefined : read(root)
  const [cert, privateKey] = [read(certificate), read(key)]
  // Whoever names a root certificate wants it checked.
  const protection = named === 'Require' && ca !== undefined ? 'VerifyCa' : named
  const rest = given.toString()
  return {
    config: {
      connectionString: `${base}${rest === '' ? '' : `?${rest}`}`,
      ssl: sslOf(protection, {
        ...(ca !== undefined && { ca: certificates(ca, String(root)) }),
        ...(cert !== undefined && { cert }),
        ...(privateKey !== undefined && { key: privateKey }),
      }),
    },
    protection,
    authorities: ca === undefined ? null : String(root),
    setting: (sslMode) =>
      `sslmode=${sslMode === 'VerifyFull' ? 'verify-full' : sslMode.toLowerCase()} in the URL of the CampaignInstance ${instance}`,
  }
}

function sslOf(protection: Protection, options: ConnectionOptions): pg.ClientConfig['ssl'] {
  switch (protection) {
    case 'Disable':
      return false
    case 'VerifyFull':
      return { ...options, rejectUnauthorized: true }
    case 'VerifyCa':
      return { ...options, rejectUnauthorized: true, checkServerIdentity: () => undefined }
    case 'Require':
    case 'Prefer':
      return { ...options, rejectUnauthorized: false }
  }
}

/** The host of a URL whose host may be missing, as in `postgres://user@/campaign?host=/run/postgresql`. */
function hostIn(base: string): string {
  const [, host = ''] = /^[a-z]+:\/\/(?:[^/@]*@)?(\[[^\]]*\]|[^/:]*)/.exec(base) ?? []
  return decodeURIComponent(host)
}

function isHere(host: string): boolean {
  return host === '' || host.startsWith('/') || /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host)
}

/** Throws where the text holds no certificate: the message of a handshake would not say so. */
function certificates(pem: string, where: string): string {
  try {
    new X509Certificate(pem)
  } catch (error) {
    throw new JobError('InvalidPlan', `${where} holds no certificate in PEM. Put the CA's there.`, error)
  }
  return pem
}

function fileIn(instance: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    throw new JobError(
      'InvalidPlan',
      `The URL of the CampaignInstance ${instance} names a file that cannot be read: ${said}.`,
      error,
    )
  }
}

/** The database client's message for a server without TLS. */
const hasNone = 'The server does not support SSL connections'

/** Whether another attempt without TLS is what was asked for. */
export function fallsBack({ protection }: Wire, error: unknown): boolean {
  return protection === 'Prefer' && error instanceof Error && error.message === hasNone
}

/** A fault of the handshake, or a login that is refused without TLS; null for any other error. */
export function wireFault(error: unknown, wire: Wire, place: string): JobError | null {
  if (!(error instanceof Error)) return null
  const code = 'code' in error ? String(error.code) : ''
  const refused = (said: string) =>
    new JobError('DatabaseRefused', `${place[0]!.toUpperCase()}${place.slice(1)} ${said}`, error)
  if (error.message === hasNone)
    return refused(
      `has no TLS, and nothing is sent to it in clear. Give the server a certificate; or, where the network is trusted, set ${wire.setting('Disable')}.`,
    )
  if (code === '28000' && wire.protection === 'Disable' && /no encryption|SSL off/.test(error.message))
    return refused(`takes this login over TLS only. Set ${wire.setting('VerifyFull')}.`)
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { host, cert } = error as Error & { host?: string; cert?: { subjectaltname?: string } } // as node:tls makes it
    return refused(
      `has a certificate for ${cert?.subjectaltname ?? 'no name'}, not for ${host}. Connect by a name of the certificate, or set ${wire.setting('Require')}, which asks for none.`,
    )
  }
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code))
    return refused(`has a certificate that is not valid now: ${error.message}. Renew it, and look at the clocks.`)
  if (
    /^(DEPTH_ZERO_)?SELF_SIGNED_CERT|^UNABLE_TO_(VERIFY|GET_ISSUER)|^CERT_(SIGNATURE_FAILURE|UNTRUSTED|REJECTED)/.test(
      code,
    )
  )
    return refused(
      wire.authorities === null
        ? `has a certificate of a CA that is not known here: ${error.message}. Put the CA's certificate into the key ca.crt of a Secret and name it in database.postgreSQL.caSecretRef (in a URL: sslrootcert=FILE).`
        : `has a certificate that is not of the CA in ${wire.authorities}: ${error.message}. Put the right CA's certificate there, and find out who answers at this address.`,
    )
  if (/^(ERR_SSL_|ERR_TLS_|EPROTO)/.test(code) || error.message === 'There was an error establishing an SSL connection')
    return refused(`does not come to terms over TLS: ${error.message}. Look at the server's TLS settings and log.`)
  return null
}
