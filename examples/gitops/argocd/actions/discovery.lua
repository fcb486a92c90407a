-- What a person may do with it from Argo CD. All of it by annotations, so that nothing differs from Git.
local annotations = obj.metadata.annotations or {}
local suspended = annotations["convoke.dev/suspend"] == "true"
local actions = {
  run = { iconClass = "fa fa-fw fa-play", displayName = "Run now" },
  suspend = { iconClass = "fa fa-fw fa-pause", displayName = "Suspend", disabled = suspended },
  resume = { iconClass = "fa fa-fw fa-play-circle", displayName = "Resume", disabled = not suspended },
}
if obj.kind == "Activation" then
  local held = false
  for _, each in ipairs((obj.status or {}).held or {}) do
    held = held or each.reason == "CircuitBreaker"
  end
  actions.approve = { iconClass = "fa fa-fw fa-check", displayName = "Approve what the circuit breaker holds", disabled = not held }
end
return actions
