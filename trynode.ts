import { findNodeParts, startNode } from '/tmp/wt/node/test/cluster/node.ts'
const parts = await findNodeParts()
console.log(parts)
if ('skip' in parts) process.exit()
console.time('start')
const node = await startNode(parts)
console.timeEnd('start')
console.log(node.kubeconfig)
setInterval(() => {}, 1000)
