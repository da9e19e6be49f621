/**
 * Lists of parties on a disk, for tests: opened in folders of their own, and looked at from outside.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { keyId } from '@hearsay/gossip'
import { Parties, type PartiesInternals, type PartiesOptions } from '@hearsay/party'
import type { ExecutionContext } from 'ava'
import b4a from 'b4a'
import { folder } from './support-parties.js'

/** A list in a folder, closed after the test. */
export async function listIn(
  t: ExecutionContext,
  storage: string,
  options: Partial<PartiesOptions> = {},
  internal: PartiesInternals = {}
): Promise<Parties> {
  const parties = new Parties({ storage, ...options }, internal)
  t.teardown(() => parties.close())
  await parties.ready()
  return parties
}

/** A list in a new folder. */
export async function newList(
  t: ExecutionContext,
  options: Partial<PartiesOptions> = {}
): Promise<{ parties: Parties; storage: string }> {
  const storage = await folder(t)
  return { parties: await listIn(t, storage, options), storage }
}

/** Where the list lies. */
export const listFolder = (storage: string): string => join(storage, 'hearsay', 'parties')

/** Path and bytes of every file below a folder. */
export async function filesIn(path: string): Promise<{ path: string; bytes: Uint8Array; mode: number }[]> {
  const files: { path: string; bytes: Uint8Array; mode: number }[] = []
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    const { mode } = await stat(file)
    files.push({ path: file, bytes: new Uint8Array(await readFile(file)), mode: mode & 0o777 })
  }
  return files
}

/** Every spelling in which software writes bytes down. */
export function spellingsOf(bytes: Uint8Array): Uint8Array[] {
  const hex = b4a.toString(bytes, 'hex')
  const base64 = b4a.toString(bytes, 'base64').replace(/=+$/, '')
  const url = base64.replaceAll('+', '-').replaceAll('/', '_')
  const texts = [hex, hex.toUpperCase(), base64, url, ...(bytes.length === 32 ? [keyId(bytes)] : [])]
  return [bytes, ...texts.map(text => b4a.from(text))]
}

/** Files that hold a secret in some spelling. */
export function filesWith(
  files: readonly { path: string; bytes: Uint8Array }[],
  secret: Uint8Array
): string[] {
  const spellings = spellingsOf(secret)
  return files
    .filter(({ bytes }) => spellings.some(text => b4a.indexOf(bytes, text) >= 0))
    .map(({ path }) => path)
}
