/**
 * The author key pair of a storage folder: made at the first use, the same ever after.
 */

import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createKeyPair, type KeyPair } from '@hearsay/gossip'

const SEED_BYTES = 32

/**
 * Reads or makes the key pair of a folder. The file holds a secret and is readable by its owner only.
 *
 * @param folder - Made if it isn't there.
 * @throws {Error} `ERR_IDENTITY` when the file is there and isn't one of ours; what the file system says.
 */
export async function identityOf(folder: string): Promise<KeyPair> {
  await mkdir(folder, { recursive: true })
  const file = join(folder, 'identity')
  try {
    // 'wx': of two processes that start at once one makes it, and the other reads it.
    const handle = await open(file, 'wx', 0o600)
    const seed = randomBytes(SEED_BYTES)
    await handle.writeFile(`${seed.toString('hex')}\n`)
    await handle.sync()
    await handle.close()
    return createKeyPair(seed)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const text = (await readFile(file, 'utf8')).trim()
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw Object.assign(new Error(`${file} holds no identity; move it away to get a new one`), {
      code: 'ERR_IDENTITY'
    })
  }
  return createKeyPair(Buffer.from(text, 'hex'))
}
