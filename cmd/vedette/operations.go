package main

// onRecords are the operations that ask the records alone. They need not wait until indicators are compiled and the journal is open.
var onRecords = map[string]bool{
	"armed": true, "guard.add": true, "guard.check": true, "indicator.lookup": true, "key.create": true, "key.list": true, "key.revoke": true,
	"person.enrol": true, "person.list": true, "person.revoke": true,
	"evidence.anchor": true, "evidence.anchors": true, "evidence.check": true, "evidence.checkpoint": true, "evidence.key": true, "evidence.keys": true, "evidence.rotate": true, "evidence.prove": true, "evidence.show": true,
	"facts.count": true, "facts.import": true, "facts.show": true,
	"clock.list": true, "clock.note": true, "order.assert": true, "order.assertions": true, "order.finding": true, "order.import": true, "order.kept": true,
}

// onGate are the operations that have events judged: the gate runs for them.
var onGate = map[string]bool{"report.submit": true}

// operations are all that a command can ask of the house. None of them takes an account and gives events: people cannot be looked up.
func operations() []served {
	return []served{
		opReport, opCases, opCase, opConfirm, opMove,
		opBlock, opBlocks, opUnblock, opRecall, opUnrecall, opRelease, opHalt, opResume, opChanges, opDelivery,
		opEvidence, opAnchor, opAnchors, opEvidenceCheck, opCheckpoint, opEvidenceKey, opEvidenceKeys, opRotate, opExhibit, opProve, opFactsImport, opFacts, opFactsCount,
		opArm, opArmed, opAttribute, opCampaign, opCheck, opClockNote, opClocks, opDisarm, opDoctor, opEnrol, opErase, opGuardAdd, opGuardCheck, opImport, opInventory, opKeyCreate, opKeyList,
		opKeyRevoke, opHistory, opHunt, opHuntCost, opHuntEnd, opHuntLog, opHuntStanding, opList, opTimes, opLookup, opOrderAssert, opOrderAssertions, opOrderFacts, opOrderFinding, opOrderImport, opOrders, opOverride, opPeople, opReload, opRevoke, opRevokePerson, opRiskEnrol, opRiskWithdraw, opShow,
		opWatchCells, opWatchJudge, opWatchQueue, opWatchShow, opWatchStatus, opWatchUnvouch, opWatchVouch,
	}
}
