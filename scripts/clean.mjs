// Removes what `build` made: `tsc -b --clean` leaves the output of deleted sources behind, so a deleted test would go on running.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const packages = readdirSync(join(root, 'packages'))
const projects = [
  'examples',
  'test',
  ...packages.flatMap(name => [`packages/${name}`, `packages/${name}/test`])
]
for (const project of projects) rmSync(join(root, project, 'dist'), { recursive: true, force: true })
