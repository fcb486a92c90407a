-- Health of a Run: Progressing until it has ended.
local status = obj.status or {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Succeeded" then
    if condition.status == "True" then
      return { status = "Healthy", message = condition.message }
    end
    if condition.status == "False" then
      return { status = "Degraded", message = condition.message }
    end
    return { status = "Progressing", message = condition.message }
  end
end
return { status = "Progressing", message = "Waiting for the operator" }
