-- The health of an ImageBuild, for Argo CD. Its conditions follow kstatus: Stalled and Reconciling are there only while
-- they are True, and never both. What they say of an older generation counts for nothing.
local conditions = {}
if obj.status ~= nil and obj.status.observedGeneration == obj.metadata.generation then
  for _, condition in ipairs(obj.status.conditions or {}) do
    conditions[condition.type] = condition
  end
end

local function health(status, condition)
  return { status = status, message = condition.reason .. ": " .. (condition.message or "") }
end

local ready = conditions.Ready
if conditions.Stalled then
  return health("Degraded", conditions.Stalled)
elseif conditions.Reconciling then
  return health("Progressing", conditions.Reconciling)
elseif ready and ready.status == "True" then
  return health("Healthy", ready)
elseif ready and ready.reason == "Suspended" then
  return health("Suspended", ready)
end
return { status = "Progressing", message = "The operator has not seen this spec yet." }
