// What is tested on the newest Kubernetes, tested on the oldest that is supported: the same test files, as parts of another.
import { describe, test } from 'vitest'
import { sharedOldestCluster } from '../cluster/api-server.ts'
import { oldestKubernetes } from '../cluster/binaries.ts'

const cluster = await sharedOldestCluster()
if ('skip' in cluster) console.warn(`Skipped what needs an API server of ${oldestKubernetes}: ${cluster.skip}.`)
// Whoever asks for the cluster that all test files share gets this one.
else process.env['CONVOKE_TEST_KUBECONFIG'] = cluster.kubeconfig

/** Path of the kubeconfig; null where there is no such server. */
export const kubeconfig = 'skip' in cluster ? null : cluster.kubeconfig

/** What is tested → imports the test file, which makes its tests. */
export function testOnOldest(files: Readonly<Record<string, () => Promise<unknown>>>): void {
  describe.skipIf(kubeconfig === null).each(Object.entries(files))(
    `Kubernetes ${oldestKubernetes}: %s`,
    async (_, load) => {
      // On another server they would tell nothing new.
      if (kubeconfig === null) test('is not there', () => {})
      else await load()
    },
  )
}
