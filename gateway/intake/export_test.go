package intake

// InspectBudget is the memory for inspections, in octets.
const InspectBudget = inspectBudget

// TakeBudget takes memory from inspections, as another letter would; false where
// somebody waits for it already, or there is not so much.
func (in *Intake) TakeBudget(octets int64) bool { return in.budget.TryAcquire(octets) }

// GiveBudget gives it back.
func (in *Intake) GiveBudget(octets int64) { in.budget.Release(octets) }
