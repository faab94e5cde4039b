(* What the kernel computes in place of the numbers of the rules is at least as much.

   Lemmas K5, K6 and K8 of docs/certificates.md, where they pass to coarser bounds: one `span` for
   all pairs of positions; the largest difference of a position and all others, by sorting; a gap
   less 1 for an error that moves scores by at most 1; errors counted in units of the largest leak
   so far; twice the largest `|U_t| error` for the pair of two tokens.

   In Python: `Position.leaks`, `add_heads`, `add_units` and `decide` in verify/kernel/proof.py. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated rules units weights heads.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section ComputedBounds.
Variable F : realDomainType.

Lemma sizes_ge0 m d (W : 'M[F]_(m, d)) (error : 'cV_d) :
  (forall c, 0 <= error c 0) -> forall i, 0 <= (sizes W *m error) i 0.
Proof. by move=> ge0 i; rewrite mxE sumr_ge0 // => c _; rewrite mxE mulr_ge0. Qed.

(* `grown(grown(error, query), span)`. *)
Lemma shaken_by_span N R d n (held : 'I_n.+1 -> token N R -> 'cV[F]_d) any
    (st : state F N R d n) (h : head F d) (span : 'cV_(d_qk h)) p q :
  (forall c, 0 <= error st c 0) ->
  (forall i, `|key_at held any h p i 0 - key_at held any h q i 0| <= span i 0) ->
  shaken held any st h p q <= \sum_i (sizes (query h) *m error st) i 0 * span i 0.
Proof.
by move=> ge0 spans; apply: ler_sum => i _; rewrite ler_wpmul2l ?sizes_ge0.
Qed.

(* `gap - (shaken > 0)`. *)
Lemma gap_less_one (gap : nat) (moved apart : F) :
  (0 < gap)%N -> gap%:R <= apart -> moved <= 1 -> gap.-1%:R + moved <= apart.
Proof.
case: gap => // gap _; rewrite -[X in X%:R <= _]addn1 natrD => above small.
by apply: le_trans above; rewrite ler_add2l.
Qed.

(* `two`: the largest number, and one that is at least as large as one of any two positions'. So
   the largest of all positions but t is found (`np.where(high == two[1], two[0], two[1])`). *)
Lemma largest_of_others (I : Type) (high : I -> F) (second top : F) t q :
  (forall p, high p <= top) -> (forall p p', p <> p' -> high p <= second \/ high p' <= second) ->
  q <> t -> high q <= if high t == top then second else top.
Proof.
move=> le_top two other; case: eqP => [at_top|_]; last exact: le_top.
by case: (two q t other) => // le_t; apply: le_trans (le_top q) _; rewrite -at_top.
Qed.

(* `last`: in the same way, the smallest of all others. *)
Lemma smallest_of_others (I : Type) (low : I -> F) (bottom second : F) t q :
  (forall p, bottom <= low p) -> (forall p p', p <> p' -> second <= low p \/ second <= low p') ->
  q <> t -> (if low t == bottom then second else bottom) <= low q.
Proof.
move=> ge_bottom two other; case: eqP => [at_bottom|_]; last exact: ge_bottom.
by case: (two q t other) => // ge_t; apply: le_trans (ge_bottom q); rewrite -at_bottom.
Qed.

(* `moved`: of values between `low` and `high` of t, and of all others. *)
Lemma moved_by_extremes (of_t of_other low high low_others high_others : F) :
  low <= of_t <= high -> low_others <= of_other <= high_others ->
  `|of_other - of_t| <= Num.max (high_others - low) (high - low_others).
Proof.
move=> /andP[ge_low le_high] /andP[ge_others le_others].
rewrite ler_norml ler_oppl opprB !le_maxr.
by apply/andP; split; apply/orP; [right | left]; apply: ler_sub.
Qed.

(* `self.leak` grows to the largest, and `error` counts in units of it. *)
Lemma units_of_leak (leak lambda largest error moved : F) :
  leak <= largest -> lambda <= largest -> 0 <= error -> 0 <= moved ->
  leak * error + lambda * moved <= largest * (error + moved).
Proof. by move=> le_leak le_lambda *; rewrite mulrDr ler_add // ler_wpmul2r. Qed.

Lemma mlp_error_in_units d m (W : mlp F d m) (leak : F) (error : 'cV_m) :
  mlp_error W (leak *: error) = leak *: mlp_error W error.
Proof.
elim: W error => [{}m W|{}m h W rest IH] error /=; first by rewrite scalemxAr.
by rewrite -scalemxAr IH.
Qed.

(* `most`, and the margin `least - most`. *)
Lemma margin_by_sizes d (U U' : 'rV[F]_d) (error : 'cV_d) (half least apart : F) :
  (forall c, 0 <= error c 0) -> least <= apart ->
  (sizes U *m error) 0 0 <= half -> (sizes U' *m error) 0 0 <= half ->
  least - (half + half) <= apart - (sizes (U - U') *m error) 0 0.
Proof.
move=> ge0 le_apart small small'; rewrite ler_sub //; apply: le_trans (ler_add small small').
rewrite !mxE -big_split; apply: ler_sum => c _; rewrite !mxE /= -mulrDl.
by rewrite ler_wpmul2r // ler_norm_sub.
Qed.

End ComputedBounds.
