package link

import "sync"

// What follows are facts about well-known services, collected by us, not a copy of anybody's list. Being in a table says nothing against a
// service: it says that many parties stand behind one host, so that the host tells little and must not be blocked for one of them.

func words(s ...string) map[string]bool {
	m := make(map[string]bool, len(s))
	for _, w := range s {
		m[w] = true
	}
	return m
}

// shorteners are hosts whose every path leads elsewhere.
var shorteners = words(
	"adf.ly", "amzn.to", "apple.co", "bit.do", "bit.ly", "bitly.com", "bl.ink", "buff.ly", "clck.ru", "cutt.ly", "dlvr.it", "dub.sh", "fb.me", "goo.gl",
	"goo.su", "gg.gg", "ift.tt", "is.gd", "j.mp", "kutt.it", "lnkd.in", "lnk.to", "n9.cl", "ow.ly", "qr.ae", "rb.gy", "rebrand.ly", "rebrandly.com",
	"s.id", "short.io", "shorte.st", "shorturl.at", "snip.ly", "soo.gd", "surl.li", "t.co", "t.ly", "t2m.io", "tiny.cc", "tiny.one", "tinyurl.com",
	"tny.im", "tr.im", "trib.al", "u.to", "urlz.fr", "v.gd", "vk.cc", "wp.me", "x.co", "zpr.io",
)

// redirectors are hosts of which some paths lead elsewhere: host to the beginning of such a path.
var redirectors = map[string]string{
	"away.vk.com":                      "/",
	"facebook.com":                     "/l.php",
	"google.com":                       "/url",
	"href.li":                          "/",
	"l.facebook.com":                   "/",
	"l.instagram.com":                  "/",
	"l.messenger.com":                  "/",
	"l.threads.net":                    "/",
	"lm.facebook.com":                  "/",
	"linkedin.com":                     "/redir",
	"out.reddit.com":                   "/",
	"slack-redir.net":                  "/link",
	"steamcommunity.com":               "/linkfilter",
	"t.umblr.com":                      "/redirect",
	"urldefense.com":                   "/",
	"urldefense.proofpoint.com":        "/",
	"vk.com":                           "/away.php",
	"youtube.com":                      "/redirect",
	"safelinks.protection.outlook.com": "/",
}

// hosters are hosts on which each party has a place in the path: host to the hoster's own words, which come before the party's name there
// ("#" is any single digit).
var hosters = map[string]string{
	"1drv.ms":                        "b e f i o p t u v w x",
	"archive.org":                    "details download embed stream",
	"bitbucket.org":                  "",
	"calendly.com":                   "d",
	"canva.com":                      "design",
	"cdn.discordapp.com":             "attachments",
	"codepen.io":                     "",
	"discord.com":                    "invite channels",
	"discord.gg":                     "",
	"docs.google.com":                "a d document drawings e file forms presentation spreadsheets u #",
	"drive.google.com":               "a d drive file folders u # mobile",
	"dropbox.com":                    "s sh scl fi fo t request l",
	"firebasestorage.googleapis.com": "v0 b",
	"forms.gle":                      "",
	"forms.office.com":               "r e pages g",
	"gist.github.com":                "",
	"github.com":                     "",
	"gitlab.com":                     "",
	"gofile.io":                      "d",
	"instagram.com":                  "p reel reels stories tv",
	"linktr.ee":                      "",
	"mediafire.com":                  "file folder view file_premium",
	"medium.com":                     "",
	"mega.nz":                        "file folder",
	"notion.so":                      "",
	"onedrive.live.com":              "",
	"open.spotify.com":               "track album playlist episode show artist user embed",
	"pastebin.com":                   "raw u",
	"pinterest.com":                  "pin",
	"play.google.com":                "store apps details",
	"raw.githubusercontent.com":      "",
	"reddit.com":                     "r u user",
	"s3.amazonaws.com":               "",
	"scribd.com":                     "document doc",
	"sites.google.com":               "a d site view",
	"slideshare.net":                 "slideshow",
	"soundcloud.com":                 "",
	"storage.cloud.google.com":       "",
	"storage.googleapis.com":         "",
	"surveymonkey.com":               "r",
	"t.me":                           "s c joinchat addstickers iv",
	"telegra.ph":                     "",
	"telegram.me":                    "s c joinchat",
	"tiktok.com":                     "t",
	"transfer.sh":                    "",
	"typeform.com":                   "to",
	"vimeo.com":                      "channels groups",
	"vk.com":                         "",
	"wa.me":                          "message p c",
	"wetransfer.com":                 "downloads",
	"we.tl":                          "",
	"x.com":                          "i",
	"twitter.com":                    "i",
	"facebook.com":                   "groups pages events people watch share p r v",
	"youtube.com":                    "c channel user shorts embed live playlist",
	"yadi.sk":                        "d i",
	"disk.yandex.ru":                 "d i",
	"chat.whatsapp.com":              "invite",
	"docs.qq.com":                    "doc sheet form",
	"graph.org":                      "",
	"imgur.com":                      "a gallery t",
	"ipfs.io":                        "ipfs ipns",
	"issuu.com":                      "",
	"jotform.com":                    "form",
	"form.jotform.com":               "",
	"padlet.com":                     "",
	"patreon.com":                    "c",
	"trello.com":                     "b c w",
	"gitbook.io":                     "",
	"huggingface.co":                 "spaces datasets",
	"linkedin.com":                   "in company pub pulse posts school",
	"script.google.com":              "a macros s d home projects",
	"storage.yandexcloud.net":        "",
	"web.archive.org":                "web",
	"translate.google.com":           "translate",
	"cloudflare-ipfs.com":            "ipfs ipns",
	"groups.google.com":              "g a d forum",
	"photos.google.com":              "share u # photo album",
	"share.icloud.com":               "photos",
	"icloud.com":                     "iclouddrive notes keynote numbers pages photos",
}

// subdomainHosters give each party a name below their own, without standing in the suffix list's private part.
var subdomainHosters = words(
	"bandcamp.com", "beehiiv.com", "blogspot.com", "carrd.co", "deviantart.com", "ghost.io", "gumroad.com", "itch.io", "livejournal.com",
	"medium.com", "onelink.me", "app.link", "page.link", "sharepoint.com", "slack.com", "squarespace.com", "substack.com",
	"tumblr.com", "typeform.com", "unbouncepages.com", "weebly.com", "wixsite.com", "wordpress.com", "zendesk.com", "atlassian.net", "webflow.io",
	"strikingly.com", "jimdofree.com", "mystrikingly.com", "duckdns.org", "ngrok.io",
	"trycloudflare.com", "hatenablog.com", "over-blog.com", "fandom.com", "freshdesk.com", "hubspotpagebuilder.com", "moodlecloud.com",
	"myshopify.com", "box.com", "wikidot.com", "zoho.com",
)

// familiars are the registrable domains of all names in the tables: one look-up tells nearly every link that it is in none of them.
var familiars = sync.OnceValue(func() map[string]bool {
	m := make(map[string]bool, 256)
	add := func(host string) {
		if r := Registrable(host); r != "" {
			m[r] = true
		} else {
			m[host] = true
		}
	}
	for host := range shorteners {
		add(host)
	}
	for host := range redirectors {
		add(host)
	}
	for host := range hosters {
		add(host)
	}
	for host := range subdomainHosters {
		add(host)
	}
	return m
})

func familiar(registrable string) bool { return familiars()[registrable] }
