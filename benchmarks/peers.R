# One of the R packages on a table of two outcomes: Rscript peers.R PACKAGE TABLE DRAWS TUNE CHAINS CORES SEED
# TABLE: csv with person, months, log_bili, albumin. Prints one line of JSON: CPU seconds of everything since the start of
# the process (children included), worst bulk ESS and whose. The model is two linear courses with correlated random levels
# and rates; priors are the packages' own, for they cannot be made the same.
given <- commandArgs(trailingOnly = TRUE)
package <- given[1]
rows <- read.csv(given[2])
n <- as.integer(given[3:7])
names(n) <- c("draws", "tune", "chains", "cores", "seed")
if (!requireNamespace(package, quietly = TRUE) || !requireNamespace("posterior", quietly = TRUE)) quit(status = 3)

worst <- function(draws, kept) {
  found <- posterior::summarise_draws(posterior::subset_draws(draws, variable = kept, regex = TRUE), "ess_bulk")
  at <- which.min(found$ess_bulk)
  list(ess = found$ess_bulk[at], worst = found$variable[at])
}

if (package == "rstanarm") {
  library(rstanarm)
  fit <- stan_mvmer(
    formula = list(log_bili ~ months + (months | person), albumin ~ months + (months | person)), data = rows,
    iter = n["draws"] + n["tune"], warmup = n["tune"], chains = n["chains"], cores = n["cores"], seed = n["seed"],
    refresh = 0
  )
  # not the persons' effects, b[...]
  result <- worst(posterior::as_draws_array(as.array(fit)), "^(y[0-9][|]|Sigma)")
} else if (package == "JMbayes2") {
  library(JMbayes2)
  set.seed(n["seed"])
  # it fits joint models only: exits that depend on nothing are drawn for it, and its hazard's parameters left out
  last <- tapply(rows$months, rows$person, max)
  people <- data.frame(person = as.integer(names(last)), exit = last + rexp(length(last), 0.1))
  people$left <- rbinom(nrow(people), 1, 0.5)
  control <- nlme::lmeControl(opt = "optim")
  courses <- list(
    nlme::lme(log_bili ~ months, random = ~ months | person, data = rows, control = control),
    nlme::lme(albumin ~ months, random = ~ months | person, data = rows, control = control)
  )
  exits <- survival::coxph(survival::Surv(exit, left) ~ 1, data = people)
  fit <- jm(exits, courses,
    time_var = "months", n_iter = n["draws"] + n["tune"], n_burnin = n["tune"], n_thin = 1L,
    n_chains = n["chains"], cores = n["cores"], seed = n["seed"]
  )
  kept <- fit$mcmc[grep("^(betas[0-9]|sigmas|D)$", names(fit$mcmc))]
  found <- lapply(names(kept), function(name) {
    draws <- posterior::as_draws_array(coda::as.mcmc.list(kept[[name]]))
    posterior::variables(draws) <- paste(name, posterior::variables(draws))
    worst(draws, ".*")
  })
  result <- found[[which.min(vapply(found, function(each) each$ess, 0))]]
} else if (package == "INLAjoint") {
  library(INLA)
  library(INLAjoint)
  inla.setOption(num.threads = paste0(n["cores"], ":1"))
  fit <- joint(
    formLong = list(log_bili ~ months + (1 + months | person), albumin ~ months + (1 + months | person)),
    dataLong = rows, id = "person", timeVar = "months", family = c("gaussian", "gaussian"), corLong = TRUE
  )
  result <- list(ess = NULL, worst = "no draws: integrated nested Laplace approximations")
} else {
  stop("PACKAGE: rstanarm, JMbayes2 or INLAjoint")
}
ess <- if (is.null(result$ess)) "null" else sprintf("%.1f", result$ess)
used <- sum(proc.time()[c("user.self", "sys.self", "user.child", "sys.child")])
cat(sprintf('\n{"total": %.1f, "ess": %s, "worst": "%s", "version": "%s"}\n', used, ess, result$worst,
  as.character(packageVersion(package))))
