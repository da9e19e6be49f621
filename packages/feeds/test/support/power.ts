/**
 * Power cuts: a process that is killed, and files that lose what the process never synced.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SOURCE = fileURLToPath(new URL('../../power/sync-shim.c', import.meta.url))
const run = promisify(execFile)

/** Compiles the shim. @returns Its path, or why there is none. */
export async function makeShim(): Promise<{ path: string } | { reason: string }> {
  if (process.platform !== 'linux') return { reason: `the shim is for Linux, this is ${process.platform}` }
  const path = join(await mkdtemp(join(tmpdir(), 'hearsay-shim-')), 'sync-shim.so')
  try {
    await run('gcc', ['-shared', '-fPIC', '-O1', '-o', path, SOURCE, '-ldl'])
    return { path }
  } catch (fault) {
    return { reason: `gcc is missing or failed: ${(fault as Error).message.split('\n')[0]}` }
  }
}

/** Cuts all files below `folder` down to what the shim noted in `log`. @returns Bytes that were cut off. */
export async function cutPower(folder: string, log: string): Promise<number> {
  const synced = new Map<string, number>()
  for (const line of (await readFile(log, 'utf8')).split('\n')) {
    const [inode, born, size] = line.split(' ')
    if (size !== undefined) synced.set(`${inode} ${born}`, Number(size))
  }
  let cut = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const { ino, birthtimeNs, size } = await stat(path, { bigint: true })
    const kept = synced.get(`${ino} ${birthtimeNs}`) ?? 0
    if (Number(size) <= kept) continue
    cut += Number(size) - kept
    await truncate(path, kept)
  }
  return cut
}
