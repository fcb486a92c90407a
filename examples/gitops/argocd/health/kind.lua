-- Health of every kind but Run. Suspended is not degraded, and neither is what the operator has not seen yet.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator to see it" }
end
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, stalled, reconciling = conditions.Ready, conditions.Stalled, conditions.Reconciling
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
if reconciling ~= nil and reconciling.status == "True" then
  return { status = "Progressing", message = reconciling.message }
end
if ready == nil or ready.status == "Unknown" then
  return { status = "Progressing", message = "Waiting for the operator" }
end
if ready.status == "True" then
  if ready.reason == "Suspended" then
    return { status = "Suspended", message = ready.message }
  end
  return { status = "Healthy", message = ready.message }
end
-- What it refers to comes with this sync or a later one.
if ready.reason == "WaitingForDependency" then
  return { status = "Progressing", message = ready.message }
end
return { status = "Degraded", message = ready.message }
