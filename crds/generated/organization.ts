// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
/**
 * An IMS Organization with what it is entitled to: the prerequisites of the Real-Time CDP and Campaign v8 pattern, declared here and checked by the compiler. Nothing is verified with Adobe.
 */
export interface Organization {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'Organization'
  metadata: ObjectMeta
  spec: OrganizationSpec
  status?: OrganizationStatus
}
/**
 * What the organization is provisioned with.
 */
export interface OrganizationSpec {
  /**
   * Identifier of the IMS Organization, 24 hexadecimal digits and @AdobeOrg, for example 9A1B2C3D4E5F60718293A4B5@AdobeOrg.
   */
  imsOrgId: string
  /**
   * What the contract with Adobe covers. The pattern needs RealTimeCDP, Sources and Destinations.
   *
   * @maxItems 100
   *
   * Items: One entitlement, for example RealTimeCDP.
   */
  entitlements: string[]
  /**
   * Product contexts that exist in the organization. The pattern needs Campaign. Default: [].
   *
   * @maxItems 100
   *
   * Items: One product context, for example Campaign.
   */
  productContexts?: string[]
  /**
   * Limits of Experience Platform for this organization. Change them only as far as Adobe has. Default: {mergePolicies: 5, destinations: 100}.
   */
  limits?: {
    /**
     * Merge policies, which ProfileStores are; newer pages of Adobe's say 3. Default: 5.
     */
    mergePolicies?: number
    /**
     * Destinations of a sandbox, which a ProfileStore is. Default: 100.
     */
    destinations?: number
  }
}
/**
 * What the operator found and did. Not written by hand.
 */
export interface OrganizationStatus {
  /**
   * What is true of this resource now, one entry per type. `kubectl wait --for=condition=…` reads them.
   *
   * @maxItems 16
   *
   * Items: One condition, in the standard Kubernetes form.
   */
  conditions?: {
    /**
     * What is claimed, in CamelCase, for example Ready.
     */
    type: string
    /**
     * Whether the claim holds.
     */
    status: 'True' | 'False' | 'Unknown'
    /**
     * metadata.generation this condition was computed from.
     */
    observedGeneration?: number
    /**
     * When status last changed.
     */
    lastTransitionTime: string
    /**
     * Why, as one CamelCase word for programs.
     */
    reason: string
    /**
     * Why, with the values and the next step, for people. Empty where there is nothing to add.
     */
    message: string
  }[]
  /**
   * metadata.generation the operator last acted on. -1 until it has seen the resource.
   */
  observedGeneration?: number
}
