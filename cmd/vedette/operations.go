package main

// operations are all that a command can ask of the house. None of them takes an account and gives events: people cannot be looked up.
func operations() []served {
	return []served{
		opArm, opArmed, opCheck, opDisarm, opDoctor, opEnrol, opErase, opGuardAdd, opGuardCheck, opImport, opInventory, opKeyCreate, opKeyList,
		opKeyRevoke, opList, opLookup, opOverride, opPeople, opReload, opRevoke, opRevokePerson, opRiskEnrol, opRiskWithdraw, opShow,
	}
}
