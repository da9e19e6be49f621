/**
 * The text that the demo shares: a real one, and how it is dealt out.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SUFFIXES = ['.md', '.txt', '.ts', '.js', '.h', '.c']
// Less than this can't hold the 10,000 lines that are wanted; more is not needed.
const MIN_BYTES = 200 * 1024
const MAX_BYTES = 16 * 1024 * 1024

/**
 * The largest text file among the installed packages, so that the demo needs no download: the same on every run.
 *
 * @throws {Error} `ERR_DEMO_TEXT` when there is none.
 */
export async function findText(): Promise<string> {
  let best = { path: '', bytes: 0 }
  let folder = dirname(fileURLToPath(import.meta.url))
  while (dirname(folder) !== folder) {
    folder = dirname(folder)
    for await (const found of textsBelow(join(folder, 'node_modules'))) {
      const isBetter = found.bytes > best.bytes || (found.bytes === best.bytes && found.path < best.path)
      if (isBetter) best = found
    }
  }
  if (best.path !== '') return best.path
  throw Object.assign(new Error('found no large text among the installed packages; name one by --file'), {
    code: 'ERR_DEMO_TEXT'
  })
}

async function* textsBelow(folder: string): AsyncGenerator<{ path: string; bytes: number }> {
  // Links are not followed: pnpm's lead to folders that are walked anyway.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* textsBelow(path)
    if (!entry.isFile() || !SUFFIXES.some(suffix => entry.name.endsWith(suffix))) continue
    const { size } = await stat(path)
    if (size >= MIN_BYTES && size <= MAX_BYTES) yield { path, bytes: size }
  }
}

/**
 * The first lines of a file, without line breaks.
 *
 * @param file - UTF-8 text.
 * @param max - How many at most.
 */
export async function readLines(file: string, max: number): Promise<string[]> {
  const lines = (await readFile(file, 'utf8')).split('\n')
  if (lines.at(-1) === '') lines.pop() // nothing behind the last line break
  return lines.slice(0, max)
}

/** The lines of one member. */
export function linesOfMember(lines: readonly string[], index: number, members: number): string[] {
  return lines.filter((_, line) => line % members === index)
}
